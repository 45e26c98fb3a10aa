"""What is raised for a folder that cannot be loaded."""


class SavedModelError(ValueError):
    """A saved net is damaged, incomplete, or of a newer version; the message names the file."""
