"""How mail programs show a mail: approximations, by what is published of each; pure functions of the mail's HTML."""

from digest.issue.clients.gmail import as_gmail
from digest.issue.clients.outlook import as_outlook
from digest.issue.clients.schemes import in_new_tabs, in_scheme, without_pictures

__all__ = ["as_gmail", "as_outlook", "in_new_tabs", "in_scheme", "without_pictures"]
