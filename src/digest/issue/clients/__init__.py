"""How mail programs show a mail: approximations, by what is published of each; pure functions of the mail's HTML."""
