"""Stock Rasa 3.6.21: its own Twilio channel, Redis stores, and one custom action."""
