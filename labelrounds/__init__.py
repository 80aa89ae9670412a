"""The library. Each folder is a floor; a floor imports only floors below it."""
