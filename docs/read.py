import email, email.policy, pathlib, sys

mails = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
         for file in sorted(pathlib.Path("outbox/new").iterdir(), key=lambda file: file.stat().st_mtime_ns)]
mail = [mail for mail in mails if sys.argv[1] in mail["To"]][-1]
print("From:", mail["From"], "\nTo:", mail["To"], "\nSubject:", mail["Subject"], "\n")
print(mail.get_body(("plain",)).get_content())
