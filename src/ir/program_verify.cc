// verify(Program) follows the steps with a map of which value each byte holds, and so finds buffers
// that the planner gave to two values at once, whichever way they came to overlap.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ir/in_place.h"
#include "ir/internal_error.h"
#include "ir/memory_map.h"
#include "ir/program.h"
#include "ir/scan.h"

namespace sinter::ir {

namespace {

constexpr std::int64_t kAlignment = 64;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 50;

std::string name_of(const BufferRef& buffer) {
  constexpr std::array<const char*, 4> kinds = {"arena", "input", "output", "state"};
  const char* kind = kinds[static_cast<std::size_t>(buffer.kind)];
  return buffer.kind == BufferKind::arena ? kind : fmt::format("{} {}", kind, buffer.index);
}

// A value in memory: a result of a step, or what an external memory holds when the run starts.
struct Held {
  int step = -1;  // -1: external
  BufferRef memory;
  Dtype dtype = Dtype::f32;
  ByteRange range;
  std::int64_t value = -1;  // as Argument::value
  // What a pack found in its place in the output already: still there under its own number.
  std::vector<std::pair<ByteRange, std::int64_t>> parts = {};
};

// An argument with its place worked out.
struct Place {
  const Argument* argument = nullptr;
  bool output = false;
  std::size_t index = 0;
  ByteRange range;
};

// Whether the elements lie without gaps, each in its own place, in whichever order of the axes.
bool fills_its_range(const Layout& layout) {
  std::vector<std::pair<std::int64_t, std::int64_t>> axes;  // stride, length
  for (int axis = 0; axis < layout.shape.rank(); ++axis) {
    if (layout.shape[axis] == 0) return true;
    if (layout.shape[axis] == 1) continue;
    axes.emplace_back(layout.strides[static_cast<std::size_t>(axis)], layout.shape[axis]);
  }
  std::sort(axes.begin(), axes.end());
  std::int64_t expected = 1;
  for (const auto& [stride, length] : axes) {
    if (stride != expected) return false;
    expected *= length;
  }
  return true;
}

class Verifier {
 public:
  Verifier(const Program& program, OpList ops, std::string path)
      : program_(program), ops_(ops), path_(std::move(path)) {}

  void run() {
    check_program();
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      step_ = static_cast<int>(i);
      check_step(program_.steps[i]);
    }
    place_ = "the end";
    check_outputs();
    check_states();
  }

 private:
  using MemoryKey = std::pair<BufferKind, std::int32_t>;

  static MemoryKey key(const BufferRef& buffer) { return {buffer.kind, buffer.index}; }

  [[noreturn]] void fail(const std::string& what) const {
    throw InternalError(fmt::format("program: {}{}: {}", path_, place_, what));
  }
  void require(bool condition, const char* what) const {
    if (!condition) fail(what);
  }

  void check_program() {
    place_ = "the memories";
    require(program_.arena_bytes >= 0, "the arena has a negative size");
    require(program_.zeros.empty() || path_.empty(), "a body has zeros from the start");
    for (const Program::Span& span : program_.zeros) {
      require(
          span.offset >= 0 && span.bytes >= 0 && span.offset + span.bytes <= program_.arena_bytes,
          "zeros leave the arena");
    }
    for (std::size_t i = 0; i < program_.inputs.size(); ++i) {
      hold_external({BufferKind::input, static_cast<std::int32_t>(i), 0}, program_.inputs[i]);
    }
    std::unordered_set<std::uint64_t> seen;
    for (std::size_t i = 0; i < program_.states.size(); ++i) {
      const auto& slot = program_.states[i];
      if (!seen.insert(slot.state).second) fail(fmt::format("State #{} has two slots", slot.state));
      hold_external({BufferKind::state, static_cast<std::int32_t>(i), 0}, slot.type);
    }
    state_written_.assign(program_.states.size(), false);
  }

  void hold_external(const BufferRef& memory, const TensorType& type) {
    hold(memory, {.memory = memory, .dtype = type.dtype, .range = {0, type.bytes()}});
  }

  void hold(const BufferRef& memory, const Held& value) {
    maps_[key(memory)].paint(value.range, static_cast<int>(held_.size()));
    held_.push_back(value);
  }

  // The type that an external memory was declared with; null for the arena.
  const TensorType* declared(const BufferRef& buffer) const {
    const auto index = static_cast<std::size_t>(buffer.index);
    const auto pick = [&](const std::vector<TensorType>& types) {
      return buffer.index >= 0 && index < types.size() ? &types[index] : nullptr;
    };
    const TensorType* type = nullptr;
    if (buffer.kind == BufferKind::arena) {
      require(buffer.index == 0, "there is one arena");
      return nullptr;
    }
    if (buffer.kind == BufferKind::input) type = pick(program_.inputs);
    if (buffer.kind == BufferKind::output) type = pick(program_.outputs);
    if (buffer.kind == BufferKind::state && buffer.index >= 0 && index < program_.states.size()) {
      type = &program_.states[index].type;
    }
    if (type == nullptr) fail(fmt::format("there is no {}", name_of(buffer)));
    return type;
  }

  // The number of elements from the first to behind the last that a layout reaches; 0 when empty.
  std::int64_t extent(const Shape& shape, const std::vector<std::int64_t>& strides) const {
    require(strides.size() == static_cast<std::size_t>(shape.rank()),
            "the layout has as many strides as axes");
    std::int64_t last = 0;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const std::int64_t stride = strides[static_cast<std::size_t>(axis)];
      if (shape[axis] == 0) return 0;
      if (shape[axis] == 1) continue;
      require(stride >= 0, "a stride is negative");
      std::int64_t reach = 0;
      if (__builtin_mul_overflow(shape[axis] - 1, stride, &reach) || reach > kMaxExtent) {
        fail("a stride reaches out of every memory");
      }
      last += reach;
    }
    return last + 1;
  }

  ByteRange range_of(const Argument& argument) const {
    const auto size = static_cast<std::int64_t>(size_of(argument.dtype));
    const BufferRef& buffer = argument.buffer;
    const TensorType* type = declared(buffer);
    require(buffer.offset >= 0 && argument.layout.offset >= 0, "an offset is negative");
    require(buffer.offset % (type == nullptr ? kAlignment : size) == 0,
            "the buffer is not aligned");
    if (type != nullptr && type->dtype != argument.dtype) {
      fail(fmt::format("{} is {}, not {}", name_of(buffer), type->to_string(),
                       sinter::name_of(argument.dtype)));
    }
    const std::int64_t count = extent(argument.layout.shape, argument.layout.strides);
    if (count == 0) return {};
    const std::int64_t bytes = type == nullptr ? program_.arena_bytes : type->bytes();
    const std::int64_t begin = buffer.offset + argument.layout.offset * size;
    if (buffer.offset > bytes || argument.layout.offset > bytes || begin + count * size > bytes) {
      fail(fmt::format("bytes {} to {} leave the {} bytes of {}", begin, begin + count * size,
                       bytes, name_of(buffer)));
    }
    return {begin, begin + count * size};
  }

  void check_step(const Step& step) {
    place_of_step(step);
    require((step.op == OpId::count) == (step.group != nullptr),
            "it has a group or an op of its own");
    if (step.group == nullptr) {
      require(static_cast<std::size_t>(step.op) < ops_.size(), "it has no op of the list");
    }
    require((step.op == OpId::scan) == (step.body != nullptr),
            "a scan has a body, and only a scan");
    if (step.body != nullptr) {
      Verifier(*step.body, ops_, fmt::format("{}{}, body, ", path_, place_)).run();
      const std::string wrong = check_scan_step(step);
      if (!wrong.empty()) fail(wrong);
    }
    std::vector<Place> places;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) add_place(step, false, i, places);
    for (std::size_t i = 0; i < step.outputs.size(); ++i) add_place(step, true, i, places);
    place_of_step(step);
    if (step.group != nullptr) check_group(step, *step.group, 0);
    if (step.epilogue != nullptr) check_epilogue(step);
    for (const Place& place : places) {
      name_place(step, place);
      if (!place.output) check_read(place);
    }
    check_overlaps(step, places);
    check_workspace(step, places);
    if (step.is_in_place) {
      check_in_place(step, places);
    } else {
      check_zeros(places);
    }
    for (const Place& place : places) {
      name_place(step, place);
      if (place.output) write(place, parts_in_place(step, place, places));
    }
  }

  void place_of_step(const Step& step) {
    const std::string line = step.location.to_string();
    place_ = fmt::format("step {} ({}){}{}", step_, step.label, line.empty() ? "" : " at ", line);
  }

  void name_place(const Step& step, const Place& place) {
    place_of_step(step);
    place_ += fmt::format(", {} {}", place.output ? "output" : "input", place.index);
  }

  void add_place(const Step& step, bool output, std::size_t index, std::vector<Place>& places) {
    Place place{output ? &step.outputs[index] : &step.inputs[index], output, index, {}};
    name_place(step, place);
    place.range = range_of(*place.argument);
    if (output) {
      require(fills_its_range(place.argument->layout),
              "the layout of an output has gaps or meets itself");
      require(place.argument->buffer.kind != BufferKind::input, "it writes an input");
    }
    places.push_back(place);
  }

  // A group on the arguments from input `first` on, and the epilogue's operand 0 before them.
  void check_group(const Step& step, const Group& group, std::size_t first) {
    try {
      verify(group);
    } catch (const InternalError& error) {
      fail(error.what());
    }
    const std::size_t before = step.epilogue != nullptr ? 1 : 0;
    const std::size_t inputs = step.inputs.size() - first;
    const std::size_t count = inputs + step.outputs.size();
    if (group.operands.size() != before + count) {
      fail(fmt::format("the group has {} operands, the step {} arguments",
                       group.operands.size() - before, count));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const bool output = i >= inputs;
      const GroupOperand& operand = group.operands[before + i];
      const Argument& argument = output ? step.outputs[i - inputs] : step.inputs[first + i];
      place_of_step(step);
      place_ += fmt::format(", operand {}", before + i);
      require(operand.output == output, "inputs come first, then outputs");
      require(operand.dtype == argument.dtype, "the group has another type than the argument");
      check_reach(group, operand, argument.layout);
    }
    place_of_step(step);
  }

  void check_epilogue(const Step& step) {
    require(step.group == nullptr && step.body == nullptr, "an epilogue follows on a kernel");
    const Group& group = *step.epilogue;
    require(!group.operands.empty() && !group.operands[0].output,
            "an epilogue begins with the result that it follows on");
    const Op& op = find(ops_, step.op);
    require(op.is_variadic || own_inputs(step) == op.input_count(),
            "the epilogue has other inputs than stand behind those of the op");
    require(group.operands[0].dtype == step.result.dtype,
            "the epilogue takes another type than the result has");
    check_reach(group, group.operands[0], dense_layout(step.result.shape));
    require(group.space.elements() == step.result.elements(),
            "the epilogue runs over all of the result");
    check_group(step, group, own_inputs(step));
  }

  // A group walks its operands by its own strides: it must stay in the layout, and fill an output.
  void check_reach(const Group& group, const GroupOperand& operand, const Layout& layout) const {
    std::int64_t reached = 1;
    std::int64_t elements = 1;
    bool any = true;
    for (int axis = 0; axis < group.space.rank(); ++axis) {
      const std::int64_t stride = operand.strides[static_cast<std::size_t>(axis)];
      const std::int64_t length = group.space[axis];
      if (length == 0 && (stride != 0 || !operand.output)) any = false;
      if (stride == 0 || length <= 1) continue;
      reached += stride * (length - 1);
      elements *= length;
    }
    if (!any) reached = elements = 0;
    const std::int64_t count = extent(layout.shape, layout.strides);
    if (reached > count || (operand.output && elements != layout.shape.elements())) {
      fail(fmt::format("the group reaches {} elements of a layout that has {}",
                       operand.output ? elements : reached,
                       operand.output ? layout.shape.elements() : count));
    }
  }

  std::string describe(int mark) const {
    if (mark == MemoryMap::kNoMark) return "nothing";
    const Held& value = held_[static_cast<std::size_t>(mark)];
    return value.step < 0 ? "the value on entry" : fmt::format("a result of step {}", value.step);
  }

  std::string origin(int mark) const {
    const Held& value = held_[static_cast<std::size_t>(mark)];
    return value.step < 0 ? "was there on entry" : fmt::format("step {} has written", value.step);
  }

  void check_read(const Place& place) {
    const BufferRef& buffer = place.argument->buffer;
    if (place.range.empty()) return;
    const std::vector<int> marks = maps_[key(buffer)].marks(place.range);
    for (const int mark : marks) {
      if (mark == MemoryMap::kNoMark) {
        fail(fmt::format("bytes {} to {} of {} hold nothing that a step has written",
                         place.range.begin, place.range.end, name_of(buffer)));
      }
      if (buffer.kind == BufferKind::state && held_[static_cast<std::size_t>(mark)].step >= 0) {
        fail(fmt::format("it reads {}, which step {} has overwritten", name_of(buffer),
                         held_[static_cast<std::size_t>(mark)].step));
      }
      if (mark != marks[0]) {
        fail(fmt::format("bytes {} to {} of {} hold in part {}, in part {}", place.range.begin,
                         place.range.end, name_of(buffer), describe(marks[0]), describe(mark)));
      }
    }
    const Held& value = held_[static_cast<std::size_t>(marks[0])];
    if (value.dtype != place.argument->dtype) {
      fail(fmt::format("it reads {} as {}, but step {} wrote {}", name_of(buffer),
                       sinter::name_of(place.argument->dtype), value.step,
                       sinter::name_of(value.dtype)));
    }
    check_value(place, marks[0]);
  }

  // The memory must hold the value that the planner meant, from its start on.
  void check_value(const Place& place, int mark) {
    const std::int64_t wanted = place.argument->value;
    if (wanted < 0) return;
    Held& held = held_[static_cast<std::size_t>(mark)];
    const BufferRef& buffer = place.argument->buffer;
    if (held.step < 0 && held.value < 0) {  // the first read tells what the memory brings along
      const bool is_new = home_.emplace(wanted, mark).second;
      if (!is_new) fail(fmt::format("value {} is not in {}", wanted, name_of(buffer)));
      held.value = wanted;
    }
    if (held.value < 0) return;
    ByteRange range = held.range;
    bool found = held.value == wanted;
    for (const auto& [part, value] : held.parts) {
      if (found || value != wanted) continue;
      found = true;
      range = part;
    }
    if (!found) {
      fail(fmt::format("it reads value {}, but bytes {} to {} of {} hold value {}, {}", wanted,
                       place.range.begin, place.range.end, name_of(buffer), held.value,
                       describe(mark)));
    }
    if (range.begin != buffer.offset) {
      fail(fmt::format("value {} starts at byte {} of {}, not at {}", wanted, range.begin,
                       name_of(buffer), buffer.offset));
    }
  }

  void check_overlaps(const Step& step, const std::vector<Place>& places) {
    for (const Place& output : places) {
      if (!output.output) continue;
      for (const Place& other : places) {
        if (&other == &output || (other.output && other.index < output.index)) continue;
        if (key(output.argument->buffer) != key(other.argument->buffer) ||
            !output.range.overlaps(other.range)) {
          continue;
        }
        name_place(step, output);
        if (other.output) fail(fmt::format("it overlaps output {}", other.index));
        if (!may_overlap(step, other, output)) {
          fail(fmt::format("it overlaps input {}, which the step still reads", other.index));
        }
      }
    }
  }

  void check_zeros(const std::vector<Place>& places) const {
    for (const Place& place : places) {
      if (!place.output || place.argument->buffer.kind != BufferKind::arena) continue;
      require(!holds_zeros(place.range), "it writes where zeros are from the start");
    }
  }

  bool holds_zeros(const ByteRange& range) const {
    return std::any_of(program_.zeros.begin(), program_.zeros.end(), [&](const auto& span) {
      return range.overlaps({span.offset, span.offset + span.bytes});
    });
  }

  // Inputs where the step would put them, and zeros, make up all of the output.
  void check_in_place(const Step& step, const std::vector<Place>& places) {
    place_of_step(step);
    require(step.group == nullptr && step.op == OpId::pack && step.outputs.size() == 1,
            "it is no pack, and has something to run");
    const Place& output = places.back();
    std::vector<ByteRange> parts;
    for (const Place& input : places) {
      if (!input.output && key(input.argument->buffer) == key(output.argument->buffer) &&
          may_overlap(step, input, output)) {
        parts.push_back(input.range);
      }
    }
    require(parts.size() == step.inputs.size(), "an input is not in its place");
    for (const Program::Span& span : program_.zeros) {
      parts.push_back({span.offset, span.offset + span.bytes});
    }
    std::sort(parts.begin(), parts.end(),
              [](const ByteRange& a, const ByteRange& b) { return a.begin < b.begin; });
    std::int64_t reached = output.range.begin;
    for (const ByteRange& part : parts) {
      if (part.begin <= reached) reached = std::max(reached, part.end);
    }
    require(reached >= output.range.end, "its inputs and zeros do not fill the output");
  }

  static bool may_overlap(const Step& step, const Place& input, const Place& output) {
    if (step.group != nullptr) {
      return input.range.begin == output.range.begin &&
             may_run_in_place(*step.group, static_cast<int>(input.index),
                              static_cast<int>(step.inputs.size() + output.index));
    }
    if (step.epilogue != nullptr) {
      const std::size_t own = own_inputs(step);
      return input.index >= own && input.range.begin == output.range.begin &&
             may_run_in_place(*step.epilogue, static_cast<int>(1 + input.index - own),
                              static_cast<int>(1 + step.inputs.size() - own + output.index));
    }
    if (step.op != OpId::pack) return false;
    // An input of a pack may lie in the output already, where the pack would put it.
    const std::vector<std::int64_t>& offsets = step.attributes.integers("offsets");
    return input.index < offsets.size() && is_dense(input.argument->layout) &&
           input.argument->dtype == output.argument->dtype &&
           input.range.begin ==
               output.range.begin + offsets[input.index] *
                                        static_cast<std::int64_t>(size_of(output.argument->dtype));
  }

  void check_workspace(const Step& step, const std::vector<Place>& places) {
    place_of_step(step);
    place_ += ", workspace";
    require(step.workspace_bytes >= 0, "its size is negative");
    if (step.workspace_bytes == 0) return;
    const BufferRef& buffer = step.workspace;
    require(buffer.kind == BufferKind::arena && buffer.index == 0, "it is not in the arena");
    require(buffer.offset >= 0 && buffer.offset % kAlignment == 0, "it is not aligned");
    const ByteRange range{buffer.offset, buffer.offset + step.workspace_bytes};
    if (range.end > program_.arena_bytes) {
      fail(fmt::format("bytes {} to {} leave the {} bytes of the arena", range.begin, range.end,
                       program_.arena_bytes));
    }
    require(!holds_zeros(range), "it lies where zeros are from the start");
    for (const Place& place : places) {
      if (place.argument->buffer.kind != BufferKind::arena || !range.overlaps(place.range))
        continue;
      fail(fmt::format("it overlaps {} {}", place.output ? "output" : "input", place.index));
    }
    maps_[key(buffer)].erase(range);
  }

  // The inputs of a pack that lie where the pack puts them.
  std::vector<std::pair<ByteRange, std::int64_t>> parts_in_place(
      const Step& step, const Place& output, const std::vector<Place>& places) const {
    std::vector<std::pair<ByteRange, std::int64_t>> parts;
    if (step.group != nullptr || step.op != OpId::pack) return parts;
    for (const Place& input : places) {
      if (input.output || key(input.argument->buffer) != key(output.argument->buffer) ||
          !input.range.overlaps(output.range)) {
        continue;
      }
      parts.emplace_back(input.range, input.argument->value);
    }
    return parts;
  }

  void write(const Place& place, std::vector<std::pair<ByteRange, std::int64_t>> parts) {
    const BufferRef& buffer = place.argument->buffer;
    if (buffer.kind == BufferKind::state) {
      const auto index = static_cast<std::size_t>(buffer.index);
      if (!program_.states[index].written) {
        fail(fmt::format("it writes {}, which is only read", name_of(buffer)));
      }
      state_written_[index] = true;
      for (const int mark : maps_[key(buffer)].marks(place.range)) {
        if (mark < 0 || held_[static_cast<std::size_t>(mark)].step < 0) continue;
        fail(fmt::format("it writes {}, which step {} has written", name_of(buffer),
                         held_[static_cast<std::size_t>(mark)].step));
      }
    }
    const std::int64_t value = place.argument->value;
    if (value >= 0) {
      const auto [home, is_new] = home_.emplace(value, static_cast<int>(held_.size()));
      if (!is_new) fail(fmt::format("it writes value {}, which {}", value, origin(home->second)));
    }
    hold(buffer, {.step = step_,
                  .memory = buffer,
                  .dtype = place.argument->dtype,
                  .range = place.range,
                  .value = value,
                  .parts = std::move(parts)});
  }

  void check_outputs() {
    for (std::size_t i = 0; i < program_.outputs.size(); ++i) {
      const BufferRef buffer{BufferKind::output, static_cast<std::int32_t>(i), 0};
      const ByteRange whole{0, program_.outputs[i].bytes()};
      if (whole.empty()) continue;
      const std::optional<int> mark = maps_[key(buffer)].single_mark(whole);
      if (!mark.has_value() || *mark == MemoryMap::kNoMark) {
        fail(fmt::format("output {} is not written as a whole", i));
      }
    }
  }

  void check_states() const {
    for (std::size_t i = 0; i < program_.states.size(); ++i) {
      const auto& slot = program_.states[i];
      if (slot.written && !state_written_[i] && slot.type.elements() > 0) {
        fail(fmt::format("no step writes state {} (#{})", i, slot.state));
      }
    }
  }

  const Program& program_;
  OpList ops_;
  std::string path_;
  std::string place_;
  int step_ = 0;
  std::map<MemoryKey, MemoryMap> maps_;
  std::vector<Held> held_;                      // indexed by mark
  std::unordered_map<std::int64_t, int> home_;  // the mark of each Argument::value met
  std::vector<bool> state_written_;
};

}  // namespace

void verify(const Program& program, OpList ops) { Verifier(program, ops, "").run(); }

}  // namespace sinter::ir
