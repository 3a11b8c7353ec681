"""Kernels that nbconvert starts know that what they show goes onto a page (helpers/views/page.py).
The other settings stand beside this file, as JSON."""

import os

os.environ["INM_PAGE"] = "1"
