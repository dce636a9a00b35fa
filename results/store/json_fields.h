// Fields of JSON objects, as records have them: what is missing or of another type reads as
// the default.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "results/record.h"

namespace ktrial::results {

using Json = nlohmann::ordered_json;  // as in json.h

inline std::string text_of(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}
inline double number_of(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<double>() : 0;
}
inline int int_of(const Json& object, const char* key, int fallback = 0) {
  auto it = object.find(key);
  if (it == object.end() || !it->is_number_integer()) return fallback;
  auto value = it->get<std::int64_t>();
  return value < INT32_MIN || value > INT32_MAX ? fallback : static_cast<int>(value);
}
inline std::uint64_t unsigned_of(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}
inline bool bool_of(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_boolean() && it->get<bool>();
}
// Null: there is none.
inline const Json* object_in(const Json& json, const char* key) {
  auto it = json.find(key);
  return it != json.end() && it->is_object() ? &*it : nullptr;
}
// A list of objects (anything else in it is passed over).
template <class F>
void each_object(const Json& object, const char* key, F&& use) {
  auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return;
  for (const Json& item : *it)
    if (item.is_object()) use(item);
}

inline Json strings(const std::vector<std::string>& values) {
  Json out = Json::array();
  for (const auto& value : values) out.push_back(value);
  return out;
}
inline std::vector<std::string> strings_of(const Json& object, const char* key) {
  std::vector<std::string> out;
  auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return out;
  for (const Json& item : *it)
    if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

// Names may repeat, so an object would lose some: a list of pairs.
inline Json pairs(const Facts& facts) {
  Json out = Json::array();
  for (const auto& [key, value] : facts) out.push_back({{"name", key}, {"value", value}});
  return out;
}
inline Facts facts_of(const Json& object, const char* key) {
  Facts out;
  each_object(object, key, [&](const Json& item) {
    out.emplace_back(text_of(item, "name"), text_of(item, "value"));
  });
  return out;
}

}  // namespace ktrial::results
