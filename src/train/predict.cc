#include <iostream>

#include "base/json.h"
#include "sinter/autograd.h"
#include "sinter/ops.h"
#include "sinter/run.h"
#include "sinter/system.h"
#include "train/batch_function.h"

namespace sinter::train {
namespace {

using Line = std::function<void(const std::string&)>;

[[noreturn]] void refuse(const std::string& where, const std::string& what, const std::string& got,
                         const std::string& expected) {
  raise({.where = where, .what = what, .got = got, .expected = expected, .hint = {}});
}

void collect(const Json& value, const std::string& where, std::vector<double>* numbers) {
  if (value.is_array()) {
    for (const Json& part : value) collect(part, where, numbers);
  } else if (value.is_number()) {
    numbers->push_back(value.get<double>());
  } else if (value.is_boolean()) {
    numbers->push_back(value.get<bool>() ? 1 : 0);
  } else {
    refuse(where, "this is no number", json_text(value), "numbers, in arrays or not");
  }
}

// The fields of a JSON object as a batch of one row.
Batch read_fields(const std::vector<InputField>& fields, const std::string& text,
                  const std::string& where) {
  const Json json = parse_json(text, where);
  Batch row;
  for (const InputField& field : fields) {
    if (!json.is_object() || !json.contains(field.name)) {
      refuse(where, "there is no \"" + field.name + "\"", "",
             "a JSON object with \"" + field.name + "\"");
    }
    std::vector<double> numbers;
    collect(json[field.name], where, &numbers);
    std::vector<std::int64_t> lengths = field.shape.to_vector();
    lengths.insert(lengths.begin(), 1);
    const Shape shape(lengths);
    if (static_cast<std::int64_t>(numbers.size()) != shape.elements()) {
      refuse(where, "\"" + field.name + "\" has the wrong number of elements",
             std::to_string(numbers.size()), field.shape.to_string());
    }
    row.add(field.name, cast(tensor(numbers, shape), field.dtype));
  }
  return row;
}

// Element `row` of the first axis, nested as the axes are.
OrderedJson to_json(const std::vector<double>& values, const Shape& shape, int axis,
                    std::size_t* next) {
  if (axis == shape.rank()) return json_number(static_cast<float>(values[(*next)++]));
  OrderedJson list = OrderedJson::array();
  for (std::int64_t i = 0; i < shape[axis]; ++i) {
    list.push_back(to_json(values, shape, axis + 1, next));
  }
  return list;
}

std::string all_outputs(const Batch& outputs, std::int64_t row) {
  OrderedJson json = OrderedJson::object();
  for (const auto& [name, tensor] : outputs.entries()) {
    const Tensor mine = tensor.rank() == 0 ? tensor : slice(tensor, 0, row, row + 1);
    const auto values = cast(mine, Dtype::f64).to_vector<double>();
    std::size_t next = 0;
    json[name] = to_json(values, tensor.shape(), tensor.rank() == 0 ? 0 : 1, &next);
  }
  const std::string text = json_text(json);
  return text.substr(1, text.size() - 2);
}

class Prediction {
 public:
  Prediction(const Task& task, const Line& line)
      : task_(task),
        line_(line),
        forward_(
            [this](const Batch& rows) {
              const Batch outputs = task_.forward(rows);
              names_ = outputs.names();
              return outputs.tensors();
            },
            "prediction", {.programs = task.programs, .precision = task.precision}) {}

  void file(const std::string& path) {
    if (!task_.read_file) {
      refuse(path, "this recipe predicts JSON lines only", "a file", "- for standard input");
    }
    const std::string start = "{\"input\":" + json_text(path) + ",\"index\":";
    std::int64_t index = 0;
    task_.read_file(path, [&](const Batch& rows) { answer(rows, start, &index); });
  }

  void lines(std::istream& input) {
    std::string text;
    for (std::int64_t number = 1; std::getline(input, text); ++number) {
      if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
      const std::string where = "line " + std::to_string(number);
      const Batch row =
          task_.read_line ? task_.read_line(text, where) : read_fields(task_.inputs, text, where);
      std::int64_t index = number - 1;
      answer(row, "{\"index\":", &index);
    }
  }

 private:
  void answer(const Batch& rows, const std::string& start, std::int64_t* index) {
    const std::vector<Tensor> results = forward_.call(rows);
    const DeviceScope host("cpu");
    Batch outputs;
    for (std::size_t i = 0; i < results.size(); ++i) outputs.add(names_[i], to_host(results[i]));
    const auto count = static_cast<std::int64_t>(rows.count());
    for (std::int64_t row = 0; row < count; ++row) {
      const std::string members =
          task_.answer ? task_.answer(outputs, row) : all_outputs(outputs, row);
      line_(start + std::to_string((*index)++) + "," + members + "}");
    }
  }

  const Task& task_;
  const Line& line_;
  std::vector<std::string> names_;  // of the outputs
  BatchFunction forward_;
};

}  // namespace

void predict(const Task& task, const std::vector<std::string>& inputs, const Line& line) {
  const TrainingScope evaluating(false);
  const NoGradScope untracked;
  Prediction prediction(task, line);
  if (inputs.empty()) prediction.lines(std::cin);
  for (const std::string& input : inputs) {
    if (input == "-") {
      prediction.lines(std::cin);
    } else {
      prediction.file(input);
    }
  }
}

}  // namespace sinter::train
