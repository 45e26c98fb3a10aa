"""Nets as folders of safetensors and JSON, which no code is run to load."""

from sksubsel.persistence.errors import SavedModelError
from sksubsel.persistence.net import load_net, save_net

__all__ = ["SavedModelError", "load_net", "save_net"]
