"""What a suite of trunks says: noise floor, shape effects, laws and their shape errors."""
