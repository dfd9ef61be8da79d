"""Why a price may or may not be used, explained in words."""
