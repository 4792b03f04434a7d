"""The report of a judgement as a page to be looked at, as Markdown and as PDF figures."""

from caloforge.evaluation.page.verdict import verdict
from caloforge.evaluation.page.write import write_page

__all__ = ["verdict", "write_page"]
