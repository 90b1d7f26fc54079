"""Dictionaries in other toolkits' files: read into, and written from, the one Dictionary."""

from monosemy.dictionaries.formats.hook_names import hook_of_site, site_of_hook
from monosemy.dictionaries.formats.saelens import SaelensInfo, is_saelens_folder, read_saelens, write_saelens

__all__ = [
    "SaelensInfo",
    "hook_of_site",
    "is_saelens_folder",
    "read_saelens",
    "site_of_hook",
    "write_saelens",
]
