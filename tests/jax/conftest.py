import os

# Several devices for shard_map, pmap and sharded arrays; read when JAX starts its backend.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4".strip()

from tests.support.profiles import load_profile

load_profile()
