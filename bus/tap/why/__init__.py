"""Why a price may or may not be used, in words."""
