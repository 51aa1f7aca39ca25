"""`make import-number NUMBER=+1...`: a number of the account comes to us, and can go back.

`importing` is the way through; `plan` is pure: what has to change; `steps` changes it, `files` in
the assistants' files; `record` keeps what was there before.
"""
