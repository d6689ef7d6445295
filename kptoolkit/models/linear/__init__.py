"""The backend ``linear``: windowed ridge regression and graph similarity, fitted in seconds."""
