/* The public header is C: this file is compiled as C11 and never run. */
#include "rmt/rmt.h"

int header_is_c(void) {
  rmt_device_options options = {sizeof(rmt_device_options), 1, 0};
  rmt_device *device = 0;
  return (int)rmt_device_create_cpu(&options, &device, 0, 0);
}
