"""`make doctor`: is everything that an answer needs in reach, and if not, what to do about it?

`assistants`, `redis`, `model`, `rasa` and `twilio` look, each at its part; `public_url` knocks
at the door; `rate` and `words` are pure.
"""
