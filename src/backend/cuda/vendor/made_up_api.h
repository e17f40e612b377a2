// What a library of the made-up vendor exports, as a vendor's own header would say it.
#ifndef SINTER_BACKEND_CUDA_VENDOR_MADE_UP_API_H_
#define SINTER_BACKEND_CUDA_VENDOR_MADE_UP_API_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Y (m, n), dense, of A (m, k) times B (k, n) with any strides, in f32. On each element of the
// product follow, in this order: times scale, plus bias (n), plus residual (m, n), relu.
typedef struct MadeUpProduct {
  int64_t m, n, k;
  int64_t a_strides[2], b_strides[2];  // of rows and of columns
  const float* a;
  const float* b;
  float scale;
  const float* bias;      // null: none
  const float* residual;  // null: none
  int32_t has_relu;
  int32_t y_bits;  // 32: f32; 16: bf16
  void* y;
  unsigned char* mask;  // (m, n): whether relu gets 0 or less; null: none
  float* workspace;
} MadeUpProduct;

void made_up_version(int32_t* major, int32_t* minor);
int64_t made_up_workspace_bytes(const MadeUpProduct* product);
// On the device: what runs as a kernel of one thread.
void made_up_multiply(const MadeUpProduct* product);

#ifdef __cplusplus
}
#endif

#endif  // SINTER_BACKEND_CUDA_VENDOR_MADE_UP_API_H_
