"""caloforge: generative models of calorimeter showers, from Geant4 to a judged and deployed surrogate."""

__version__ = "0.1.0"
