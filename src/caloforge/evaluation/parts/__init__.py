"""The parts of an evaluation, one file each: `run(case)` adds what it finds to the case."""
