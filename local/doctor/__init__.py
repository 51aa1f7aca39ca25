"""`make doctor`: is everything that an answer needs in reach, and if not, what to do about it?

`redis`, `model`, `rasa` and `twilio` look, each at its part; `rate` and `public_url` judge (pure).
"""
