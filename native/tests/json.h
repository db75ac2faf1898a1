// json.h - as much JSON as headers of safetensors files and config.json need. For tests.
#pragma once

#include <cctype>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace test {

class Json {
 public:
  enum class Kind { kNull, kBoolean, kNumber, kString, kArray, kObject };

  static Json parse(const std::string &text) {
    Parser parser{text};
    Json value = parser.value();
    parser.skip_space();
    if (parser.at != text.size()) parser.fail("something behind the value");
    return value;
  }

  Kind kind() const { return kind_; }
  bool has(const std::string &key) const { return kind_ == Kind::kObject && members_.count(key) > 0; }
  const Json &operator[](const std::string &key) const {
    if (!has(key)) throw std::runtime_error("JSON: no member \"" + key + "\"");
    return members_.at(key);
  }
  const std::map<std::string, Json> &members() const { return members_; }
  const std::vector<Json> &elements() const { return elements_; }
  double number() const {
    if (kind_ != Kind::kNumber) throw std::runtime_error("JSON: not a number");
    return number_;
  }
  int64_t integer() const { return static_cast<int64_t>(number()); }
  const std::string &string() const {
    if (kind_ != Kind::kString) throw std::runtime_error("JSON: not a string");
    return string_;
  }

 private:
  struct Parser {
    const std::string &text;
    size_t at = 0;

    [[noreturn]] void fail(const std::string &what) const {
      throw std::runtime_error("JSON: " + what + " at byte " + std::to_string(at));
    }
    void skip_space() {
      while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
    }
    char peek() {
      skip_space();
      if (at >= text.size()) fail("unexpected end");
      return text[at];
    }
    void expect(char c) {
      if (peek() != c) fail(std::string("expected '") + c + "'");
      ++at;
    }
    bool take(const char *word) {
      const std::string expected = word;
      if (text.compare(at, expected.size(), expected) != 0) return false;
      at += expected.size();
      return true;
    }

    Json value() {
      Json json;
      const char c = peek();
      if (c == '{') {
        object(json);
      } else if (c == '[') {
        array(json);
      } else if (c == '"') {
        json.kind_ = Kind::kString;
        json.string_ = quoted();
      } else if (take("true") || take("false")) {
        json.kind_ = Kind::kBoolean;
      } else if (take("null")) {
        json.kind_ = Kind::kNull;
      } else {
        char *end = nullptr;
        json.kind_ = Kind::kNumber;
        json.number_ = std::strtod(text.c_str() + at, &end);
        if (end == text.c_str() + at) fail("expected a value");
        at = static_cast<size_t>(end - text.c_str());
      }
      return json;
    }

    void object(Json &json) {
      json.kind_ = Kind::kObject;
      expect('{');
      while (peek() != '}') {
        if (!json.members_.empty()) expect(',');
        if (peek() != '"') fail("expected a name");
        const std::string name = quoted();
        expect(':');
        if (!json.members_.emplace(name, value()).second) fail("the name " + name + " comes twice");
      }
      ++at;
    }

    void array(Json &json) {
      json.kind_ = Kind::kArray;
      expect('[');
      while (peek() != ']') {
        if (!json.elements_.empty()) expect(',');
        json.elements_.push_back(value());
      }
      ++at;
    }

    std::string quoted() {
      expect('"');
      std::string result;
      for (;;) {
        if (at >= text.size()) fail("unfinished string");
        const char c = text[at++];
        if (c == '"') return result;
        if (c != '\\') {
          result += c;
          continue;
        }
        if (at >= text.size()) fail("unfinished string");
        const char escaped = text[at++];
        const std::string from = "nrtbf";
        const size_t index = from.find(escaped);
        if (escaped == 'u') {
          // Names and numbers are all that tests look at: other characters only have to be passed over.
          if (at + 4 > text.size()) fail("unfinished string");
          const long code = std::strtol(text.substr(at, 4).c_str(), nullptr, 16);
          result += code < 128 ? static_cast<char>(code) : '?';
          at += 4;
        } else {
          result += index == std::string::npos ? escaped : "\n\r\t\b\f"[index];
        }
      }
    }
  };

  Kind kind_ = Kind::kNull;
  double number_ = 0;
  std::string string_;
  std::vector<Json> elements_;
  std::map<std::string, Json> members_;
};

}  // namespace test
