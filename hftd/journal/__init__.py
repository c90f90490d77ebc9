"""The journal: what one session saw and decided, in one SQLite file that any SQLite tool can open."""

from hftd.journal.files import bring_to_disk, journal_path, journals, latest, remove_oldest, run_id
from hftd.journal.reading import Entry, JournaledModel, Message, Reader
from hftd.journal.writing import Journal

__all__ = [
    "Entry",
    "Journal",
    "JournaledModel",
    "Message",
    "Reader",
    "bring_to_disk",
    "journal_path",
    "journals",
    "latest",
    "remove_oldest",
    "run_id",
]
