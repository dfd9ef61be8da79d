"""The reference consumer: a price is used only when it may be, and every decision says what it was based on."""
