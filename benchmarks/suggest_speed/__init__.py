"""How long does it take to say which runs to do next?"""
