// The part of ONNX Runtime's C interface that the example needs, for libraries that come without headers.
//
// OrtGetApiBase() gives a table of functions whose order never changes; a slot is a function's place in it
// (include/onnxruntime/core/session/onnxruntime_c_api.h, struct OrtApi). With the headers at hand use those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace ort {

using Handle = void *;
enum Slot { error_message = 2, create_env = 3, create_session = 7, run = 9, create_options = 10, intra_threads = 24,
            output_name = 37, create_tensor = 49, tensor_data = 51, tensor_shape_info = 65, element_count = 64,
            cpu_memory = 69, default_allocator = 78 };

struct Base {
    const Handle *(*table)(std::uint32_t version);
    const char *(*version)();
};
extern "C" const Base *OrtGetApiBase();

constexpr std::uint32_t api_version = 11;
constexpr int float_type = 1;

inline const Handle *table() {
    static const Handle *functions = OrtGetApiBase()->table(api_version);
    if (!functions) throw std::runtime_error("this ONNX Runtime is older than 1.11");
    return functions;
}

// Call a function that returns a status; a status that is not null is an error.
template <class... Given> void call(Slot slot, Given... given) {
    Handle status = reinterpret_cast<Handle (*)(Given...)>(table()[slot])(given...);
    if (status) throw std::runtime_error(reinterpret_cast<const char *(*)(Handle)>(table()[error_message])(status));
}

} // namespace ort
