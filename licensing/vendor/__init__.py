"""The vendor's side: licences out, configs signed, usage taken in. Not part of what a customer receives."""
