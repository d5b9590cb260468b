import os

# Set before anything imports Transformers: nothing may be downloaded.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRITON_INTERPRET"] = "0"  # what runs here on a CPU is native code
