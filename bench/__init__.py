"""The comparison: this project, stock Rasa and a hand-written bot, side by side on one machine."""

# How much of a conversation stock Rasa's action and the hand-written bot show the model.
MESSAGES_SHOWN = 20
