/* The words are NVML's own: programs compare them. */
#include "nvml_functions.h"

const char *nvmlErrorString(nvmlReturn_t result) {
    static const char *const texts[] = {
        "Success",
        "Uninitialized",
        "Invalid Argument",
        "Not Supported",
        "Insufficient Permissions",
        "Already Initialized",
        "Not Found",
        "Insufficient Size",
        "Insufficient External Power",
        "Driver Not Loaded",
        "Timeout",
        "Interrupt Request Issue",
        "NVML Shared Library Not Found",
        "Function Not Found",
        "Corrupted infoROM",
        "GPU is lost",
        "GPU requires reset",
        "GPU access blocked by the operating system",
        "Driver/library version mismatch",
        "In use by another client",
        "Insufficient Memory",
        "No data",
        "vGPU ECC Not Supported",
        "Insufficient Resources",
        "Frequency Not Supported",
        "Argument Version Mismatch",
        "Deprecated",
        "Not Ready",
        "GPU Not Found",
        "Invalid State",
        "Reset Type Not Supported",
    };
    return result < sizeof texts / sizeof *texts ? texts[result] : "Unknown Error";
}
