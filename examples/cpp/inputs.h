// The inputs that make_inputs.py writes, and how a shower is printed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Input {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};

// A text file: for every input its name, the number of its axes, its shape, then its values.
inline std::vector<Input> read_inputs(const std::string &path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + " cannot be read; write it with make_inputs.py");
    std::vector<Input> inputs;
    std::string name;
    std::size_t axes;
    while (file >> name >> axes) {
        Input input{name, std::vector<std::int64_t>(axes), {}};
        std::size_t size = 1;
        for (auto &extent : input.shape) {
            file >> extent;
            size *= static_cast<std::size_t>(extent);
        }
        input.values.resize(size);
        for (auto &value : input.values) file >> value;
        if (!file) throw std::runtime_error(path + " ends within " + name + "; write it anew with make_inputs.py");
        inputs.push_back(input);
    }
    return inputs;
}

// Voxel and energy in MeV of everything that is hit.
inline void print_shower(const float *energies, std::size_t size) {
    for (std::size_t voxel = 0; voxel < size; ++voxel)
        if (energies[voxel] > 0) std::printf("%zu %.3e\n", voxel, energies[voxel]);
}
