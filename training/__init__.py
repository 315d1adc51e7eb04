"""How the embedded model was made: data, losses, training, evaluation, export. Not part of the package."""
