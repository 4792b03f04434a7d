"""Export of shower models to other runtimes, each checked before it is written."""
