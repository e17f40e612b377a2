#include "backend/cuda/emulated/module_text.h"

#include <algorithm>
#include <vector>

namespace sinter_emulated {
namespace {

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over C++ text by tokens: names, numbers, literals, single characters.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  // Skips blanks and comments, and returns the next token; empty at the end.
  std::string_view next() {
    skip_blank();
    const std::size_t begin = at_;
    if (at_ == text_.size()) return {};
    const char c = text_[at_];
    if (is_name_part(c)) {
      while (at_ < text_.size() && is_name_part(text_[at_])) ++at_;
    } else if (c == '"' || c == '\'') {
      ++at_;
      while (at_ < text_.size() && text_[at_] != c) at_ += text_[at_] == '\\' ? 2 : 1;
      at_ = std::min(at_ + 1, text_.size());
    } else {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }
  std::string_view peek() {
    const std::size_t before = at_;
    const std::string_view token = next();
    at_ = before;
    return token;
  }
  // After an opening parenthesis: to behind its partner.
  void skip_parentheses() {
    for (int depth = 1; depth > 0;) {
      const std::string_view token = next();
      if (token.empty()) return;
      depth += token == "(" ? 1 : token == ")" ? -1 : 0;
    }
  }
  std::size_t position() const { return at_; }

 private:
  void skip_blank() {
    while (at_ < text_.size()) {
      if (is_space(text_[at_])) {
        ++at_;
      } else if (text_.substr(at_, 2) == "//") {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (text_.substr(at_, 2) == "/*") {
        const std::size_t end = text_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else {
        return;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool takes_parentheses(std::string_view name) {
  return name == "__launch_bounds__" || name == "__attribute__" || name == "__align__" ||
         name == "alignas" || name == "__maxnreg__";
}

// The function's name: the first that a parenthesis follows.
std::string_view kernel_name(Reader reader) {
  for (std::string_view token = reader.next(); !token.empty(); token = reader.next()) {
    if (token == ";" || token == "{") return {};
    if (!is_name_start(token.front()) || reader.peek() != "(") continue;
    if (!takes_parentheses(token)) return token;
    reader.next();
    reader.skip_parentheses();
  }
  return {};
}

// A __shared__ declaration, from behind that word to its semicolon.
struct Declaration {
  std::string_view type;
  std::string_view name;
  std::string_view dimensions;
  std::size_t end;  // behind the semicolon
};

Declaration read_declaration(std::string_view text, std::size_t begin) {
  Reader reader(text.substr(begin));
  Declaration declaration{};
  std::size_t name_begin = 0;
  std::size_t name_end = 0;
  while (true) {
    const std::string_view token = reader.next();
    if (token.empty() || token == ";" || token == "[" || token == "{" || token == "=") break;
    if (!is_name_start(token.front())) continue;
    name_end = reader.position();
    name_begin = name_end - token.size();
    if (takes_parentheses(token) && reader.next() == "(") reader.skip_parentheses();
  }
  declaration.type = text.substr(begin, name_begin);
  declaration.name = text.substr(begin + name_begin, name_end - name_begin);
  const std::size_t semicolon = std::min(text.find(';', begin + name_end), text.size() - 1);
  declaration.dimensions = text.substr(begin + name_end, semicolon - begin - name_end);
  declaration.end = semicolon + 1;
  return declaration;
}

std::string rewrite(const Declaration& declaration, bool is_dynamic) {
  const std::string name(declaration.name);
  const std::string element = "sinter_shared_element_" + name;
  const std::string type = "sinter_shared_type_" + name;
  const std::string site = "sinter_shared_site_" + name;
  std::string text = "typedef " + std::string(declaration.type) + ' ';
  if (is_dynamic) {
    text += element + "; " + element + "* " + name + " = static_cast<" + element +
            "*>(::sinter_emulated::device().dynamic_shared());";
  } else {
    text += type + std::string(declaration.dimensions) + "; static constexpr " +
            "::sinter_emulated::SharedSite " + site + "{sizeof(" + type + "), alignof(" + type +
            "), \"" + name + "\"}; " + type + "& " + name + " = ::sinter_emulated::shared_object<" +
            type + ">(&" + site + ");";
  }
  return text;
}

std::string registration(std::string_view kernel) {
  const std::string name(kernel);
  const std::string visible = "extern \"C\" __attribute__((visibility(\"default\"))) ";
  return visible + "void sinter_emulated_call_" + name +
         "(const void*, const void* arguments) { ::sinter_emulated::call_kernel(&" + name +
         ", arguments); }\n" + visible + "const unsigned long sinter_emulated_bytes_" + name +
         " = ::sinter_emulated::parameter_bytes(&" + name + ");\n";
}

}  // namespace

std::string module_text(std::string_view source, std::string_view name) {
  std::string text = "#define SINTER_EMULATED_MODULE 1\n";
  text += kDeviceText;
  text += "\n#line 1 \"" + std::string(name) + "\"\n";
  std::vector<std::string_view> kernels;
  std::size_t copied = 0;
  std::size_t extern_begin = std::string_view::npos;  // of `extern` just before the token
  Reader reader(source);
  while (true) {
    const std::string_view token = reader.next();
    if (token.empty()) break;
    const std::size_t begin = reader.position() - token.size();
    if (token == "__global__") {
      const std::string_view kernel = kernel_name(reader);
      if (!kernel.empty() && std::find(kernels.begin(), kernels.end(), kernel) == kernels.end()) {
        kernels.push_back(kernel);
      }
    } else if (token == "__shared__" && begin >= copied) {
      const bool is_dynamic = extern_begin != std::string_view::npos;
      const Declaration declaration = read_declaration(source, reader.position());
      const std::size_t from = is_dynamic ? extern_begin : begin;
      text += source.substr(copied, from - copied);
      text += rewrite(declaration, is_dynamic);
      copied = declaration.end;
      // What the declaration was written over more lines than one.
      const std::string_view before = source.substr(from, copied - from);
      text.append(static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) -
                      static_cast<std::size_t>(
                          std::count(declaration.type.begin(), declaration.type.end(), '\n')),
                  '\n');
    }
    extern_begin = token == "extern" ? begin : std::string_view::npos;
  }
  text += source.substr(copied);
  text += "\n";
  for (const std::string_view kernel : kernels) text += registration(kernel);
  return text;
}

}  // namespace sinter_emulated
