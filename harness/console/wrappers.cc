#include "harness/console/wrappers.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "harness/base/text.h"
#include "harness/console/line.h"

namespace ktrial::console {
namespace {

using Each = std::function<std::string(const std::string& line, const Line& message, int i)>;

// Lines with a stamp are the kernel's; `message` has the last one of a line.
std::string by_line(const std::string& log, const Each& each, bool kernel_only = true) {
  std::string out, clean;
  std::vector<Line> segments;
  std::string_view rest = log;
  for (int i = 0; const auto line = take_line(rest); ++i) {
    clean_line(*line, clean);
    parse_line(clean, 1, segments);
    if (kernel_only && !segments.back().kernel) continue;
    out += each(clean, segments.back(), i) + "\n";
  }
  return out;
}

// As a mail program does, at blanks.
std::string folded(std::string_view line, std::size_t width, std::string_view prefix) {
  std::string out(prefix);
  std::size_t column = 0;
  while (!line.empty()) {
    const std::size_t blanks = std::min(line.find_first_not_of(' '), line.size());
    const std::size_t end = std::min(line.find(' ', blanks), line.size());
    if (column > 0 && column + end > width) {
      out += "\n" + std::string(prefix) + std::string(line.substr(blanks, end - blanks));
      column = end - blanks;
    } else {
      out += line.substr(0, end);
      column += end;
    }
    line.remove_prefix(end);
  }
  return out;
}

// As a terminal does, anywhere.
std::string cut_at(std::string_view line, std::size_t width) {
  std::string out;
  for (; line.size() > width; line.remove_prefix(width))
    out += std::string(line.substr(0, width)) + "\n";
  return out + std::string(line);
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) {
      return k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0u;
    };
    const unsigned word = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (int digit = 0; digit < 4; ++digit)
      out += i + static_cast<std::size_t>(digit) > bytes.size()
                 ? '='
                 : kDigits[word >> (18 - 6 * digit) & 63];
    if (i % 57 == 54) out += '\n';
  }
  return out + "\n";
}

std::string syslog(const Line& message, int i) {
  return fmt::format("Mar 07 09:{:02}:{:02} box kernel: {}", i / 60 % 60, i % 60, message.body);
}

}  // namespace

const std::vector<WholeWrapper>& whole_wrappers() {
  static const std::vector<WholeWrapper> all = {
      {"mail_at_72",
       [](auto& log) {
         return by_line(log, [](auto& line, auto&, int) { return folded(line, 72, ""); });
       }},
      {"quoted_mail_at_76",
       [](auto& log) {
         return by_line(log, [](auto& line, auto&, int) { return folded(line, 76, "> > "); });
       }},
      {"journal_at_72_quoted",
       [](auto& log) {
         return by_line(
             log, [](auto&, auto& message, int i) { return folded(syslog(message, i), 72, "> "); });
       }},
      {"base64_mail",
       [](auto& log) {
         return "Subject: oops\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" +
                base64("Hello,\n\n" + log);
       }},
      {"base64_attachment",
       [](auto& log) {
         return "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nSee below.\n\n--x\n"
                "content-transfer-encoding: BASE64\n\n" +
                base64(log) + "--x--\n";
       }},
      {"logcat",
       [](auto& log) {
         return by_line(log, [](auto&, auto& message, int i) {
           const std::size_t colon = message.body.find(": ");
           const bool tag = colon < 16 && message.body.find(' ') > colon;
           return fmt::format("03-07 09:{:02}:{:02}.123     0     0 W {:<8}: {}", i / 60 % 60,
                              i % 60, message.body.substr(0, tag ? colon : 0),
                              message.body.substr(tag ? colon + 2 : 0));
         });
       }},
      {"terminal_of_80",
       [](auto& log) {
         return by_line(log, [](auto& line, auto&, int) { return cut_at(line, 80); });
       }},
      {"old_macintosh",
       [](auto& log) {
         std::string out = log;
         std::erase(out, '\r');
         std::replace(out.begin(), out.end(), '\n', '\r');
         return out;
       }},
      {"blank_lines_between",
       [](auto& log) { return by_line(log, [](auto& line, auto&, int) { return line + "\n"; }); }},
      {"padded",
       [](auto& log) {
         return by_line(log, [](auto& line, auto&, int) { return fmt::format("{:<120}", line); });
       }},
      {"list_of_strings",
       [](auto& log) {
         return by_line(log, [](auto& line, auto&, int) { return "    \"" + line + "\","; });
       }},
      {"jira_table",
       [](auto& log) {
         return by_line(log, [](auto& line, auto&, int) { return "| " + line + " |"; });
       }},
      {"file_and_syslog",
       [](auto& log) {
         return by_line(
             log, [](auto&, auto& message, int i) { return "kern.log: " + syslog(message, i); });
       }},
      {"kmsg_with_dictionary",
       [](auto& log) {
         return by_line(log, [](auto&, auto& message, int i) {
           return fmt::format("6,{},{},-;{}\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:1f.2", i,
                              41000000 + i, message.body);
         });
       }},
      {"android_cpu_and_task",
       [](auto& log) {
         return by_line(log, [](auto&, auto& message, int i) {
           return fmt::format("<4>[{:5}.000100]  ({})[{}:kworker/u8:1]{}", i, i % 4, 1000 + i % 7,
                              message.body);
         });
       }},
      {"qcom_cpu_and_task",
       [](auto& log) {
         return by_line(log, [](auto&, auto& message, int i) {
           return fmt::format("[{:5}.000100](CPU:{}-pid:{}:kworker/3:1) {}", i, i % 8, 1000 + i % 7,
                              message.body);
         });
       }},
      {"level_cpu_and_task",
       [](auto& log) {
         return by_line(log, [](auto&, auto& message, int i) {
           return fmt::format("<4>[{:5}.000100] I[{}:    kworker/3:1:  {}] {}", i, i % 8,
                              1000 + i % 7, message.body);
         });
       }},
      {"cpu_then_task",
       [](auto& log) {
         return by_line(log, [](auto&, auto& message, int i) {
           return fmt::format("[{:5}.000100][{}][{},kworker/3:1] {}", i, i % 8, 1000 + i % 7,
                              message.body);
         });
       }},
  };
  return all;
}

}  // namespace ktrial::console
