"""A plugin of pytest without any code: its presence asks for the long form, see conftest.py."""
