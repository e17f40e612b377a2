#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "ir/hex_float.h"
#include "ir/internal_error.h"
#include "ir/node_check.h"

namespace sinter::ir {

namespace {

// What a text may ask for. Everything that a parse allocates is bounded by a small multiple of the
// text's length, because each value, attribute and number takes some characters of it; nesting is
// bounded because bodies are read by recursion.
constexpr int kMaxNesting = 16;
constexpr std::size_t kMaxGot = 40;

// Text from a file may hold anything; a message holds one line of printable characters.
std::string quoted(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, kMaxGot)) shown += c >= ' ' && c <= '~' ? c : '?';
  return fmt::format("\"{}{}\"", shown, text.size() > kMaxGot ? "..." : "");
}

// Reads tokens of one line after the other; comments and empty lines are passed over.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  // Moves to the next line that holds something; false at the end of the text.
  bool next() {
    while (!text_.empty()) {
      const std::size_t end = std::min(text_.find('\n'), text_.size());
      line_ = text_.substr(0, end);
      text_.remove_prefix(std::min(end + 1, text_.size()));
      ++number_;
      line_ = line_.substr(0, line_.find(';'));
      while (!line_.empty() && is_space(line_.back())) line_.remove_suffix(1);
      skip_spaces();
      if (!line_.empty()) return true;
    }
    line_ = {};
    return false;
  }

  int number() const { return number_; }
  bool at_end() const { return line_.empty(); }

  [[noreturn]] void fail_at(int line, std::string what, std::string got,
                            std::string expected) const {
    raise({.where = fmt::format("graph text, line {}", line),
           .what = std::move(what),
           .got = std::move(got),
           .expected = std::move(expected),
           .hint = {}});
  }
  [[noreturn]] void fail(std::string what, std::string got, std::string expected) const {
    fail_at(number_, std::move(what), std::move(got), std::move(expected));
  }
  [[noreturn]] void expected(std::string expected) const {
    fail("not what belongs here", at_end() ? "the end of the line" : quoted(line_),
         std::move(expected));
  }

  // Takes `token` when the line goes on with it.
  bool take(std::string_view token) {
    if (line_.substr(0, token.size()) != token) return false;
    line_.remove_prefix(token.size());
    skip_spaces();
    return true;
  }
  void need(std::string_view token) {
    if (!take(token)) expected(quoted(token));
  }
  void need_end() const {
    if (!at_end()) expected("the end of the line");
  }
  bool looks_at(char c) const { return !line_.empty() && line_.front() == c; }

  // The longest run of letters, digits, '_' and whatever else `more` names.
  std::string_view word(std::string_view more = {}) {
    std::size_t length = 0;
    while (length < line_.size() &&
           (is_word(line_[length]) || more.find(line_[length]) != more.npos)) {
      ++length;
    }
    const std::string_view word = line_.substr(0, length);
    line_.remove_prefix(length);
    skip_spaces();
    return word;
  }

  template <class Integer>
  Integer integer(const char* what) {
    const std::string_view before = line_;
    const std::string_view digits = word("-");
    Integer value = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || end.ec != std::errc() || end.ptr != digits.data() + digits.size()) {
      line_ = before;
      expected(what);
    }
    return value;
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  void skip_spaces() {
    while (!line_.empty() && is_space(line_.front())) line_.remove_prefix(1);
  }

  std::string_view text_;
  std::string_view line_;
  int number_ = 0;
};

// The sections of a graph, in their order.
enum class Section { leaves, nodes, outputs, assigns };

class GraphParser {
 public:
  GraphParser(Lines& lines, OpList ops, int nesting)
      : lines_(lines), ops_(ops), nesting_(nesting) {}

  // Reads lines up to the end of the text or, in a body, up to and including its `}`; whatever
  // stands after that brace is left on the line.
  Graph run() {
    while (lines_.next()) {
      if (nesting_ > 0 && lines_.take("}")) return finish();
      statement();
    }
    if (nesting_ > 0) lines_.fail("a body does not end", "the end of the text", "\"}\"");
    return finish();
  }

 private:
  void statement() {
    if (lines_.looks_at('%')) {
      enter(Section::nodes);
      return node();
    }
    const std::string_view word = lines_.word();
    if (word == "input") {
      enter(Section::leaves);
      const auto [name, type] = definition();
      lines_.need_end();
      bind(name, graph_.add_input(type));
    } else if (word == "state") {
      enter(Section::leaves);
      const auto [name, type] = definition();
      lines_.need("=");
      const std::uint64_t state = this->state();
      lines_.need_end();
      if (!read_.emplace(state, type).second) {
        lines_.fail("a State is read in two places", fmt::format("#{}", state), "");
      }
      bind(name, graph_.add_state_in(state, type));
    } else if (word == "output") {
      enter(Section::outputs);
      graph_.outputs.push_back(value());
      lines_.need_end();
    } else if (word == "assign") {
      enter(Section::assigns);
      assign();
    } else {
      lines_.fail("not a statement", word.empty() ? "punctuation" : quoted(word),
                  "input, state, output, assign or the results of a node (%0: ...)");
    }
  }

  void enter(Section section) {
    if (section < section_) {
      lines_.fail("out of order", "", "inputs and states, then nodes, then outputs, then assigns");
    }
    section_ = section;
  }

  std::int64_t value_name() {
    lines_.need("%");
    const auto name = lines_.integer<std::int64_t>("the number of a value");
    if (name < 0) lines_.fail("a value has no negative number", fmt::format("%{}", name), "");
    return name;
  }

  ValueId value() {
    const std::int64_t name = value_name();
    const auto found = names_.find(name);
    if (found == names_.end()) {
      lines_.fail("the value is not defined before this line", fmt::format("%{}", name), "");
    }
    return found->second;
  }

  void bind(std::int64_t name, ValueId value) {
    if (!names_.emplace(name, value).second) {
      lines_.fail("the value is defined twice", fmt::format("%{}", name), "");
    }
    order_.push_back(name);
  }

  std::uint64_t state() {
    lines_.need("#");
    return lines_.integer<std::uint64_t>("the id of a State");
  }

  std::pair<std::int64_t, TensorType> definition() {
    const std::int64_t name = value_name();
    lines_.need(":");
    return {name, type()};
  }

  TensorType type() {
    TensorType type;
    const std::string name(lines_.word().substr(0, kMaxGot));
    located([&] { type.dtype = dtype_from_name(name); });
    lines_.need("(");
    std::vector<std::int64_t> lengths;
    while (!lines_.take(")")) {
      lengths.push_back(lines_.integer<std::int64_t>("the length of an axis or \")\""));
      if (!lines_.take(",")) {
        lines_.need(")");
        break;
      }
    }
    located([&] { type.shape = Shape(lengths); });
    return type;
  }

  // Errors of types and shapes do not know the line.
  template <class Function>
  void located(Function function) const {
    try {
      function();
    } catch (const Error& error) {
      lines_.fail(error.what(), "", "");
    }
  }

  std::vector<std::int64_t> list() {
    std::vector<std::int64_t> values;
    if (lines_.take("]")) return values;
    do {
      values.push_back(lines_.integer<std::int64_t>("an integer"));
    } while (lines_.take(","));
    lines_.need("]");
    return values;
  }

  AttributeValue attribute_value(const AttributeSpec* spec) {
    if (lines_.take("[")) return list();
    const std::string_view word = lines_.word("-+.:");
    if (spec != nullptr && spec->kind == AttributeKind::dtype) {
      for (int i = 0; i < kDtypeCount; ++i) {
        if (word == name_of(static_cast<Dtype>(i))) return std::int64_t{i};
      }
    }
    std::int64_t integer = 0;
    const auto end = std::from_chars(word.data(), word.data() + word.size(), integer);
    if (!word.empty() && end.ec == std::errc() && end.ptr == word.data() + word.size()) {
      return integer;
    }
    if (const auto real = parse_hex_float(word)) return *real;
    lines_.fail("not a value", quoted(word), "an integer, a hex float or a list [0, 1]");
  }

  // What has its default value may be left out.
  Attributes attributes(const Op& op) {
    Attributes attributes;
    std::unordered_set<std::string> names;
    if (lines_.take("}")) return attributes;
    do {
      std::string name(lines_.word());
      if (name.empty()) lines_.expected("the name of an attribute");
      if (!names.insert(name).second) {
        lines_.fail("an attribute is given twice", quoted(name), "");
      }
      lines_.need("=");
      AttributeValue value = attribute_value(find_attribute(op, name));
      attributes.add(std::move(name), std::move(value));
    } while (lines_.take(","));
    lines_.need("}");
    return attributes;
  }

  OpId op() {
    const std::string_view name = lines_.word();
    for (std::size_t i = 0; i < ops_.size() && !name.empty(); ++i) {
      if (name == ops_[i].name) return static_cast<OpId>(i);
    }
    lines_.fail("unknown op", quoted(name), "");
  }

  // Bodies are the only thing that spreads over lines: ` body {`, lines, `} body {`, lines, `}`.
  std::vector<std::shared_ptr<const Graph>> bodies() {
    std::vector<std::shared_ptr<const Graph>> bodies;
    while (lines_.take("body")) {
      lines_.need("{");
      lines_.need_end();
      if (nesting_ == kMaxNesting) {
        lines_.fail("bodies are nested too deeply", "",
                    fmt::format("at most {} levels", kMaxNesting));
      }
      bodies.push_back(
          std::make_shared<const Graph>(GraphParser(lines_, ops_, nesting_ + 1).run()));
    }
    return bodies;
  }

  void node() {
    const int line = lines_.number();
    std::vector<std::pair<std::int64_t, TensorType>> results;
    do {
      results.push_back(definition());
    } while (lines_.take(","));
    lines_.need("=");
    Node node;
    node.op = op();
    lines_.need("(");
    std::vector<TensorType> inputs;
    if (!lines_.take(")")) {
      do {
        node.inputs.push_back(value());
        inputs.push_back(graph_.type_of(node.inputs.back()));
      } while (lines_.take(","));
      lines_.need(")");
    }
    const Op& op = find(ops_, node.op);
    if (lines_.take("{")) node.attributes = attributes(op);
    node.bodies = bodies();
    lines_.need_end();
    std::vector<TensorType> types;
    for (const auto& [name, type] : results) types.push_back(type);
    try {
      node.attributes = completed(op, node.attributes);
    } catch (const InternalError& error) {
      lines_.fail_at(line, error.what(), "", "");
    }
    const std::string problem = check_types(node, inputs, types, ops_);
    if (!problem.empty()) lines_.fail_at(line, problem, "", "");
    const std::int32_t index = graph_.add_node(std::move(node), types);
    for (std::size_t i = 0; i < results.size(); ++i) {
      bind(results[i].first, graph_.nodes[static_cast<std::size_t>(index)].results[i]);
    }
  }

  void assign() {
    const std::uint64_t state = this->state();
    lines_.need("=");
    const ValueId value = this->value();
    lines_.need_end();
    if (!written_.insert(state).second) {
      lines_.fail("a State is assigned twice", fmt::format("#{}", state), "");
    }
    const auto read = read_.find(state);
    if (read != read_.end() && read->second != graph_.type_of(value)) {
      lines_.fail("a State is assigned a value of another type", graph_.type_of(value).to_text(),
                  read->second.to_text());
    }
    graph_.state_out.push_back({state, value});
  }

  // Gives values the numbers that the text calls them by, closing gaps: so a graph keeps its
  // numbers although inputs and states are listed before all nodes.
  Graph finish() {
    const std::size_t count = order_.size();
    std::vector<std::size_t> sorted(count);
    std::iota(sorted.begin(), sorted.end(), std::size_t{0});
    std::sort(sorted.begin(), sorted.end(),
              [&](std::size_t a, std::size_t b) { return order_[a] < order_[b]; });
    std::vector<ValueId> renamed(count);
    std::vector<Value> values(count);
    for (std::size_t i = 0; i < count; ++i) {
      renamed[sorted[i]] = static_cast<ValueId>(i);
      values[i] = graph_.values[sorted[i]];
    }
    graph_.values = std::move(values);
    const auto rename = [&](ValueId& value) { value = renamed[static_cast<std::size_t>(value)]; };
    for (ValueId& value : graph_.inputs) rename(value);
    for (ValueId& value : graph_.outputs) rename(value);
    for (StateUse& use : graph_.state_in) rename(use.value);
    for (StateUse& use : graph_.state_out) rename(use.value);
    for (Node& node : graph_.nodes) {
      for (ValueId& value : node.inputs) rename(value);
      for (ValueId& value : node.results) rename(value);
    }
    return std::move(graph_);
  }

  Lines& lines_;
  OpList ops_;
  int nesting_;
  Section section_ = Section::leaves;
  Graph graph_;
  std::unordered_map<std::int64_t, ValueId> names_;  // the text's number of a value, and ours
  std::vector<std::int64_t> order_;                  // the text's number of each of ours
  std::unordered_map<std::uint64_t, TensorType> read_;
  std::unordered_set<std::uint64_t> written_;
};

}  // namespace

Graph parse_graph(std::string_view text, OpList ops) {
  Lines lines(text);
  if (!lines.next() || !lines.take("sinter-graph")) {
    lines.fail("not a graph", "", "\"sinter-graph 1\" on the first line");
  }
  const auto version = lines.integer<std::int64_t>("the version of the format");
  if (version != 1) {
    lines.fail("an unknown version of the format", std::to_string(version), "1");
  }
  lines.need_end();
  return GraphParser(lines, ops, 0).run();
}

}  // namespace sinter::ir
