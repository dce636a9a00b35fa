// Writes what a trial shows into its folder while it runs, and passes it on.
#pragma once

#include <filesystem>
#include <memory>

#include "harness/base/result.h"
#include "harness/trial/observer.h"

namespace ktrial::run {

class Recorder final : public trial::Observer {
 public:
  // `next` must outlive it.
  static Result<Recorder> create(const std::filesystem::path& folder, trial::Observer& next);
  Recorder(Recorder&&) noexcept;
  ~Recorder() override;

  void on_step(const std::string& text) override;
  void on_console(std::string_view bytes) override;
  void on_output(wire::Stream stream, std::string_view bytes) override;
  void on_progress(const wire::Progress& progress) override;
  void on_finding(const console::Finding& finding) override;
  void on_event(const std::string& type, const std::string& text) override;
  // The first error of any write (a full disk), if there was one.
  Status close();

 private:
  struct State;
  explicit Recorder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ktrial::run
