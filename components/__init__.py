"""What we add to Rasa's own graph. Rasa imports this folder with the model (see config.yml)."""

from components.visible_files import skip_hidden_folders

skip_hidden_folders()
