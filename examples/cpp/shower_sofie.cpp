// shower_sofie MODEL.safetensors INPUTS.txt: generate one shower with SOFIE's code and print it.
#include "inputs.h"
#include "model.hxx"

#include <exception>
#include <utility>

// How many inputs the generated function takes: all of its pointers but the output.
template <class... Pointers>
constexpr std::size_t number_of_inputs(void (*)(const SOFIE_model::Session &, std::size_t, Pointers...)) {
    return sizeof...(Pointers) - 1;
}

template <std::size_t... Index>
void generate(const SOFIE_model::Session &session, const std::vector<Input> &inputs, std::vector<float> &energies,
              std::index_sequence<Index...>) {
    SOFIE_model::doInfer(session, 1, inputs.at(Index).values.data()..., energies.data());
}

static void shower(const char *weights, const char *path) {
    // The second argument is the largest number of showers in one call.
    const SOFIE_model::Session session(weights, 1);
    const std::vector<Input> inputs = read_inputs(path);
    std::vector<float> energies(SOFIE_model::dim_deposits_mev[1].dim);
    generate(session, inputs, energies, std::make_index_sequence<number_of_inputs(&SOFIE_model::doInfer)>());
    print_shower(energies.data(), energies.size());
}

int main(int count, char **arguments) {
    if (count != 3) {
        std::fprintf(stderr, "shower_sofie MODEL.safetensors INPUTS.txt\n");
        return 2;
    }
    try {
        shower(arguments[1], arguments[2]);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "shower_sofie: %s\n", error.what());
        return 1;
    }
    return 0;
}
