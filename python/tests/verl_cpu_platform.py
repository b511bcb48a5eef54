"""Lets verl run on the CPU, for tests: VERL_PLATFORM=cpu and this module in VERL_USE_EXTERNAL_MODULES."""

import contextlib

import torch
from verl.plugin.platform.platform_cuda import PlatformCUDA
from verl.plugin.platform.platform_manager import PlatformRegistry

# What verl's log of memory asks of a device.
for _name, _value in {
    "memory_allocated": 0,
    "max_memory_allocated": 0,
    "max_memory_reserved": 0,
    "memory_reserved": 0,
    "empty_cache": None,
    "mem_get_info": (0, 0),
    "reset_peak_memory_stats": None,
}.items():
    if not hasattr(torch.cpu, _name):
        setattr(torch.cpu, _name, lambda *_, value=_value: value)


@PlatformRegistry.register(platform="cpu")
class PlatformCPU(PlatformCUDA):
    """gloo, and nothing of CUDA."""

    device_name = property(lambda self: "cpu")
    vendor_name = property(lambda self: "generic")
    device_module = property(lambda self: torch.cpu)

    def is_available(self):
        return True

    def is_platform_available(self, use_smi_check=False):
        return True

    def current_device(self):
        return "cpu"

    def device_count(self):
        return 1

    def set_device(self, device_index):
        pass

    def synchronize(self, device_index=None):
        pass

    def manual_seed(self, seed):
        torch.manual_seed(seed)

    def manual_seed_all(self, seed):
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings):
        pass

    def empty_cache(self):
        pass

    def get_device_capability(self, device_index=0):
        return None, None

    def communication_backend_name(self):
        return "gloo"

    def ray_resource_name(self):
        return "CPU"

    def ray_resource_options(self, num_gpus):
        return {"num_cpus": 1}

    def is_ipc_supported(self):
        return False

    def nvtx_range(self, message):
        return contextlib.nullcontext()
