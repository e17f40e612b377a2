// What an op is called with: the element types of its inputs and the schema of its attributes.
#ifndef SINTER_IR_SIGNATURE_H_
#define SINTER_IR_SIGNATURE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/attributes.h"
#include "ir/dtype_set.h"
#include "ir/type.h"

namespace sinter::ir {

struct Op;
struct OpCall;

// An input, as errors call it ("ids", "the weight"), and which element types it may have.
struct OpInput {
  const char* name = nullptr;
  DtypeSet dtypes = {};
};

enum class AttributeKind : std::uint8_t {
  integer,
  real,
  integers,  // a list
  dtype,     // an integer in calls; a name, "f32", in texts
};

struct AttributeSpec {
  const char* name = nullptr;
  AttributeKind kind = AttributeKind::integer;
  // What a call that does not give it means: a number, or for a list one without elements. Absent:
  // every call gives it.
  std::optional<double> default_value = std::nullopt;
};

// Whether a value is of a kind: a dtype is the number of one.
bool has_kind(const AttributeValue& value, AttributeKind kind);
// Whether the attributes are those of the schema: all of them, in its order, of its kinds.
bool are_complete(const Op& op, const Attributes& attributes);
// All attributes in the schema's order, its default values in place of what is missing. Throws
// InternalError for attributes that are unknown, given twice, of another kind, or missing without a
// default value.
Attributes completed(const Op& op, const Attributes& attributes);
// Whether a value is the schema's default.
bool is_default(const AttributeSpec& spec, const AttributeValue& value);
// Null when the schema has no such attribute.
const AttributeSpec* find_attribute(const Op& op, std::string_view name);

// Throws Error, naming `where` and the input, for an element type that the input may not have.
void check_dtype(const char* where, const OpInput& input, const TensorType& type);
// The same for all inputs of an op; InternalError for another number of them than it has.
void check_inputs(const Op& op, std::span<const TensorType> types);

// op.infer, once the call has been checked: its inputs as above, and InternalError for attributes
// that are not complete.
std::vector<TensorType> infer(const Op& op, const OpCall& call);

}  // namespace sinter::ir

#endif  // SINTER_IR_SIGNATURE_H_
