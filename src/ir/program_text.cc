#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <string_view>

#include "ir/attributes_text.h"
#include "ir/program.h"

namespace sinter::ir {

namespace {

using Out = std::back_insert_iterator<std::string>;

std::string place(const BufferRef& buffer) {
  constexpr std::array<const char*, 4> kinds = {"arena", "input", "output", "state"};
  std::string text = kinds[static_cast<std::size_t>(buffer.kind)];
  if (buffer.kind != BufferKind::arena) text += std::to_string(buffer.index);
  if (buffer.kind == BufferKind::arena || buffer.offset != 0) {
    text += fmt::format("+{}", buffer.offset);
  }
  return text;
}

// "arena+128 f32(3, 4)"; where the elements do not lie densely from the buffer's start, also
// " at 12 by [1, 3]": the first element and the strides.
std::string argument_text(const Argument& argument) {
  const Layout& layout = argument.layout;
  std::string text = fmt::format("{} {}{}", place(argument.buffer), name_of(argument.dtype),
                                 layout.shape.to_string());
  if (layout.offset != 0) text += fmt::format(" at {}", layout.offset);
  if (!is_dense(layout)) text += fmt::format(" by [{}]", fmt::join(layout.strides, ", "));
  return text;
}

std::string argument_list(const std::vector<Argument>& arguments) {
  std::string text;
  for (const Argument& argument : arguments) {
    text += (text.empty() ? "" : ", ") + argument_text(argument);
  }
  return text;
}

void print_indented(std::string_view lines, const std::string& indent, std::string& text) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    text += indent;
    text += lines.substr(0, end);
    text += '\n';
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

void print_program(const Program& program, OpList ops, const std::string& indent,
                   std::string& text);

void print_step(std::size_t index, const Step& step, OpList ops, const std::string& indent,
                std::string& text) {
  const char* name = step.group != nullptr ? "group" : find(ops, step.op).name;
  fmt::format_to(Out(text), "{}{}: {}({}) -> {}", indent, index, name, argument_list(step.inputs),
                 argument_list(step.outputs));
  if (step.group == nullptr) text += to_text(find(ops, step.op), step.attributes);
  if (!step.kernel.empty()) text += " by " + step.kernel;
  if (step.is_in_place) text += " in place";
  if (step.workspace_bytes > 0) {
    fmt::format_to(Out(text), " workspace {} {}", place(step.workspace), step.workspace_bytes);
  }
  std::string comment = step.label;
  for (const std::string& part : {step.location.to_string(), step.scope}) {
    if (!part.empty()) comment += (comment.empty() ? "" : " ") + part;
  }
  for (char& c : comment) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  if (!comment.empty()) text += "  ; " + comment;
  text += '\n';
  if (step.group != nullptr) print_indented(to_text(*step.group), indent + "    ", text);
  if (step.epilogue != nullptr) print_indented(to_text(*step.epilogue), indent + "    ", text);
  if (step.body != nullptr) print_program(*step.body, ops, indent + "    ", text);
}

void print_types(const char* what, const std::vector<TensorType>& types, const std::string& indent,
                 std::string& text) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    fmt::format_to(Out(text), "{}{}{}: {}\n", indent, what, i, types[i].to_text());
  }
}

void print_program(const Program& program, OpList ops, const std::string& indent,
                   std::string& text) {
  fmt::format_to(Out(text), "{}arena: {} bytes\n", indent, program.arena_bytes);
  print_types("input", program.inputs, indent, text);
  print_types("output", program.outputs, indent, text);
  for (std::size_t i = 0; i < program.states.size(); ++i) {
    const auto& slot = program.states[i];
    fmt::format_to(Out(text), "{}state{}: {} = #{}{}\n", indent, i, slot.type.to_text(), slot.state,
                   slot.written ? ", written" : "");
  }
  for (const Program::Span& span : program.zeros) {
    fmt::format_to(Out(text), "{}zeros: arena+{} {}\n", indent, span.offset, span.bytes);
  }
  const MemoryPlan& m = program.memory;
  fmt::format_to(Out(text),
                 "{}memory: parameters {}, optimizer {}, gradients {}, activations {}, workspace "
                 "{}, inputs {}, outputs {}\n",
                 indent, m.parameters, m.optimizer, m.gradients, m.activations, m.workspace,
                 m.inputs, m.outputs);
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    print_step(i, program.steps[i], ops, indent, text);
  }
}

}  // namespace

std::size_t own_inputs(const Step& step) {
  if (step.epilogue == nullptr) return step.inputs.size();
  const auto& operands = step.epilogue->operands;
  const auto loads = std::count_if(operands.begin(), operands.end(),
                                   [](const GroupOperand& each) { return !each.output; });
  const auto others = static_cast<std::size_t>(std::max<std::ptrdiff_t>(loads - 1, 0));
  return step.inputs.size() - std::min(step.inputs.size(), others);
}

int kernel_count(const Program& program) {
  return static_cast<int>(std::count_if(program.steps.begin(), program.steps.end(),
                                        [](const Step& step) { return !step.is_in_place; }));
}

std::string to_text(const Program& program, OpList ops) {
  std::string text = "sinter-program 1\n";
  print_program(program, ops, "", text);
  return text;
}

}  // namespace sinter::ir
