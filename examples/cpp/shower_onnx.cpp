// shower_onnx MODEL.onnx INPUTS.txt: generate one shower with ONNX Runtime and print it.
#include "inputs.h"
#include "onnxruntime_slots.h"

#include <exception>

static void shower(const char *model, const char *path) {
    using ort::Handle;
    Handle env = nullptr, options = nullptr, session = nullptr, memory = nullptr, allocator = nullptr;
    ort::call(ort::create_env, 2, "caloforge", &env);
    ort::call(ort::create_options, &options);
    ort::call(ort::intra_threads, options, 1);
    ort::call(ort::create_session, env, model, options, &session);
    ort::call(ort::cpu_memory, 1, 0, &memory);
    ort::call(ort::default_allocator, &allocator);

    std::vector<Input> inputs = read_inputs(path);
    std::vector<const char *> names;
    std::vector<Handle> tensors;
    for (Input &input : inputs) {
        Handle tensor = nullptr;
        ort::call(ort::create_tensor, memory, static_cast<void *>(input.values.data()),
                  input.values.size() * sizeof(float), static_cast<const std::int64_t *>(input.shape.data()),
                  input.shape.size(), ort::float_type, &tensor);
        names.push_back(input.name.c_str());
        tensors.push_back(tensor);
    }
    char *output_name = nullptr;
    ort::call(ort::output_name, session, std::size_t{0}, allocator, &output_name);
    const char *outputs[] = {output_name};
    Handle result = nullptr;
    ort::call(ort::run, session, Handle{nullptr}, names.data(), tensors.data(), tensors.size(), outputs,
              std::size_t{1}, &result);
    Handle info = nullptr;
    std::size_t size = 0;
    float *energies = nullptr;
    ort::call(ort::tensor_shape_info, result, &info);
    ort::call(ort::element_count, info, &size);
    ort::call(ort::tensor_data, result, &energies);
    print_shower(energies, size);
}

int main(int count, char **arguments) {
    if (count != 3) {
        std::fprintf(stderr, "shower_onnx MODEL.onnx INPUTS.txt\n");
        return 2;
    }
    try {
        shower(arguments[1], arguments[2]);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "shower_onnx: %s\n", error.what());
        return 1;
    }
    return 0;
}
