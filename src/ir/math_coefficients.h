// The constants behind math.h, for f32 and f64. Polynomials and rationals are minimax fits (Remez
// exchange, 50 digits) of relative error, ascending powers, rounded to the type; each comment gives
// the largest relative error of the fit before rounding. tools/fit_math.py makes them. Tables are
// functions: device code may read no static array of a class.
#ifndef SINTER_IR_MATH_COEFFICIENTS_H_
#define SINTER_IR_MATH_COEFFICIENTS_H_

#include <array>
#include <cstdint>

#include "base/anywhere.h"

namespace sinter::math {

template <class Real>
struct Coefficients;

template <>
struct Coefficients<float> {
  static constexpr int kMantissaBits = 23;
  // 1.5 * 2^23: adding it rounds |x| < 2^22 to an integer that stands in the low bits.
  static constexpr float kRound = 12582912.0f;
  static constexpr int kExponentBias = 127;
  static constexpr std::int32_t kSignBit = INT32_MIN;
  static constexpr float kMinNormal = 0x1p-126f;
  static constexpr float kEpsilon = 0x1p-23f;

  static constexpr float kLog2E = 1.44269504f;
  // ln 2, pi / 2 and 2 / 3 as unevaluated sums.
  SINTER_ANYWHERE static constexpr std::array<float, 2> ln2() {
    return {0.693147182465f, -1.90465421213e-9f};
  }
  SINTER_ANYWHERE static constexpr std::array<float, 3> half_pi() {
    return {1.57079637051f, -4.37113882867e-8f, -1.71512451001e-15f};
  }
  SINTER_ANYWHERE static constexpr std::array<float, 2> two_thirds() {
    return {0.666666686535f, -1.98682155172e-8f};
  }
  static constexpr float kTwoOverPi = 0.636619772f;

  // exp(x) is 0 below kExpLow, infinite above kExpHigh; expm1(x) is -1 below kExpm1Low.
  static constexpr float kExpLow = -104.0f;
  static constexpr float kExpHigh = 89.0f;
  static constexpr float kExpm1Low = -18.0f;
  // (exp(r) - 1 - r) / r^2, |r| <= ln(2) / 2. 3.1e-9 of exp(r).
  SINTER_ANYWHERE static constexpr std::array<float, 5> exp_terms() {
    return {0.49999993448f, 0.16666520632f, 0.041668387986f, 0.0083687168516f, 0.0013814601516f};
  }
  // Mantissas of logarithms lie in [kLogLow, 2 * kLogLow): 2/3.
  static constexpr std::int32_t kLogLowBits = 0x3F2AAAAB;
  // (log(1 + f) - f + f^2 / 2) / f^3, -1/3 <= f <= 1/3. 4.7e-9.
  SINTER_ANYWHERE static constexpr std::array<float, 8> log_terms() {
    return {0.33333216013f, -0.24999796932f, 0.20010407791f, -0.16680516618f,
            0.14005793162f, -0.12183885166f, 0.13984973263f, -0.1289325544f};
  }
  static constexpr std::int32_t kPowLowBits = 0x3F3504F3;  // sqrt(1/2)
  // (2 atanh(s) - 2 s - 2/3 s^3) / s^5 in s^2, mantissas in [sqrt(1/2), sqrt(2)). 8.5e-12.
  SINTER_ANYWHERE static constexpr std::array<float, 3> pow_terms() {
    return {0.40000151984f, 0.28547145516f, 0.23418417051f};
  }
  // (sin(r) / r - 1) / r^2 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2, |r| <= pi / 4. 3.6e-9, 9.6e-11.
  SINTER_ANYWHERE static constexpr std::array<float, 3> sin_terms() {
    return {-0.16666654938f, 0.0083321776902f, -0.00019517230506f};
  }
  SINTER_ANYWHERE static constexpr std::array<float, 3> cos_terms() {
    return {0.041666646869f, -0.0013887367312f, 2.4438405881e-05f};
  }
  // erf(x) / x = P(x^2) / Q(x^2), |x| <= kErfLimit. 2.0e-8; the roundings to
  // f32 chosen by a search for the least error of the whole function.
  static constexpr float kErfLimit = 3.93f;
  SINTER_ANYWHERE static constexpr std::array<float, 6> erf_p() {
    return {1.128379107f,    0.1907841712f,    0.05279032141f,
            0.003779623192f, 0.0002848087461f, 2.041966127e-06f};
  }
  SINTER_ANYWHERE static constexpr std::array<float, 6> erf_q() {
    return {1.0f, 0.5024107099f, 0.1142576635f, 0.01499746647f, 0.001165215392f, 3.800404374e-05f};
  }
};

template <>
struct Coefficients<double> {
  static constexpr int kMantissaBits = 52;
  static constexpr double kRound = 6755399441055744.0;
  static constexpr int kExponentBias = 1023;
  static constexpr std::int64_t kSignBit = INT64_MIN;
  static constexpr double kMinNormal = 0x1p-1022;
  static constexpr double kEpsilon = 0x1p-52;

  static constexpr double kLog2E = 1.442695040888963407;
  SINTER_ANYWHERE static constexpr std::array<double, 2> ln2() {
    return {0.69314718055994528623, 2.3190468138462995584e-17};
  }
  SINTER_ANYWHERE static constexpr std::array<double, 3> half_pi() {
    return {1.570796326794896558, 6.1232339957367660359e-17, -1.4973849048591698329e-33};
  }
  SINTER_ANYWHERE static constexpr std::array<double, 2> two_thirds() {
    return {0.66666666666666662966, 3.7007434154171882626e-17};
  }
  static constexpr double kTwoOverPi = 0.63661977236758134308;

  static constexpr double kExpLow = -746.0;
  static constexpr double kExpHigh = 710.0;
  static constexpr double kExpm1Low = -40.0;
  // 5.4e-20.
  SINTER_ANYWHERE static constexpr std::array<double, 11> exp_terms() {
    return {
        0.5000000000000000043912,     0.1666666666666668341529,      0.04166666666666609380158,
        0.00833333333331703683848,    0.00138888888891158372448,     0.0001984126989637936080226,
        0.00002480158692628223215842, 0.000002755723486494946826877, 2.755758210171860835946e-7,
        2.511203614370836045138e-8,   2.082656064043104664696e-9};
  }
  static constexpr std::int64_t kLogLowBits = 0x3FE6A09E667F3BCD;  // sqrt(1/2)
  // (2 atanh(s) - 2 s) / s^3 in s^2. 2.5e-18.
  SINTER_ANYWHERE static constexpr std::array<double, 7> log_terms() {
    return {0.6666666666666734507427, 0.3999999999941396980563, 0.2857142874256102837857,
            0.2222219855387957986827, 0.1818356540326240187084, 0.1531402120102067348515,
            0.1479626051454671025355};
  }
  static constexpr std::int64_t kPowLowBits = kLogLowBits;
  // 1.1e-20.
  SINTER_ANYWHERE static constexpr std::array<double, 7> pow_terms() {
    return {0.4000000000000225471295, 0.2857142857009985980012, 0.2222222251992507587569,
            0.1818178436310566041371, 0.1538675765967253157334, 0.1325680737514175429409,
            0.1319644579957891860791};
  }
  // 3.4e-18, 4.7e-20.
  SINTER_ANYWHERE static constexpr std::array<double, 6> sin_terms() {
    return {-0.1666666666666663202765,    0.008333333333322413802349,
            -0.0001984126982980790137544, 0.000002755731369194171659548,
            -2.505075811803765692569e-8,  1.58967957752942724657e-10};
  }
  SINTER_ANYWHERE static constexpr std::array<double, 6> cos_terms() {
    return {0.04166666666666659952395,   -0.001388888888887413036297, 0.00002480158728948524589011,
            -2.755731435300972754954e-7, 2.087572334419510719557e-9,  -1.135965065326515894058e-11};
  }
  // (erf(x) - x) / x in x^2, |x| <= 1. 7.3e-18.
  SINTER_ANYWHERE static constexpr std::array<double, 12> erf_terms() {
    return {0.12837916709551256568,    -0.37612638903183520025,     0.11283791670944200308,
            -0.026866170643113413715,  0.0052239776061308421667,    -0.00085483259297662442975,
            0.00012055293586936949976, -0.000014924712439534814108, 1.6447132699786621009e-6,
            -1.6206318752969209004e-7, 1.3710988704190523118e-8,    -7.7794629717615968919e-10};
  }
  // erfc(x) exp(x^2) = P(x) / Q(x), 1 <= x <= kErfLimit, where erf rounds to 1. 4.0e-18 of erf.
  static constexpr double kErfLimit = 5.95;
  SINTER_ANYWHERE static constexpr std::array<double, 6> erfc_p() {
    return {0.99999982063936951347, 1.4099487077290224792,   0.97342451031039057588,
            0.38778655724192832391, 0.088835826181782452236, 0.0095966463636529820968};
  }
  SINTER_ANYWHERE static constexpr std::array<double, 7> erfc_q() {
    return {1.0,
            2.5383260275824278594,
            2.8376277891415135366,
            1.8036050091238463434,
            0.69588503526677796329,
            0.15745454105893627633,
            0.017009695924511349954};
  }
};

}  // namespace sinter::math

#endif  // SINTER_IR_MATH_COEFFICIENTS_H_
