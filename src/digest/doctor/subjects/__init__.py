"""What the doctor looks at: a file a subject, found by itself. See `Subject` in digest/doctor/model.py."""
