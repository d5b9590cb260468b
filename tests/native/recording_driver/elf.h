// What a cubin, an ELF image, says of itself: its sections, and what its kernel takes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

struct Parameter {
  uint16_t offset, size;
};

// The attributes of a kernel.
struct Attributes {
  std::vector<Parameter> parameters;
  unsigned threads = 0;  // of a program
};

// A number in an image, at any address.
template <class T>
T at(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

struct Section {
  std::string name;
  const char* data;
  uint64_t size;
};

// The sections of an ELF image, and its size from its header; none if it is not an ELF image.
inline std::vector<Section> sections(const char* image, uint64_t* size) {
  if (std::memcmp(image, "\177ELF", 4) != 0) return {};
  const uint64_t headers = at<uint64_t>(image + 0x28), programs = at<uint64_t>(image + 0x20);
  const uint16_t each = at<uint16_t>(image + 0x3a), count = at<uint16_t>(image + 0x3c);
  const uint64_t end = programs + uint64_t{at<uint16_t>(image + 0x36)} * at<uint16_t>(image + 0x38);
  *size = std::max(headers + uint64_t{each} * count, end);
  const char* of_names = image + headers + uint64_t{each} * at<uint16_t>(image + 0x3e);
  const char* names = image + at<uint64_t>(of_names + 0x18);
  std::vector<Section> result;
  for (int i = 0; i < count; ++i) {
    const char* header = image + headers + uint64_t{each} * i;
    result.push_back({names + at<uint32_t>(header), image + at<uint64_t>(header + 0x18), at<uint64_t>(header + 0x20)});
  }
  return result;
}

// The attributes of a kernel, from its section.
inline Attributes attributes_of(const Section& section) {
  Attributes result;
  constexpr uint8_t kParameter = 0x17, kThreads = 0x10, kWithSize = 4;
  for (uint64_t place = 0; place + 4 <= section.size;) {
    const char* attribute = section.data + place;
    const uint16_t size = attribute[0] == kWithSize ? at<uint16_t>(attribute + 2) : 0;
    if (attribute[1] == kParameter) {
      const uint16_t ordinal = at<uint16_t>(attribute + 8);
      if (result.parameters.size() <= ordinal) result.parameters.resize(ordinal + 1);
      const uint32_t about = at<uint32_t>(attribute + 12);
      result.parameters[ordinal] = {at<uint16_t>(attribute + 10), static_cast<uint16_t>(about >> 18)};
    } else if (attribute[1] == kThreads) {
      result.threads = at<uint32_t>(attribute + 4);
    }
    place += 4 + size;
  }
  return result;
}
