#include "sample_texts.h"

/* Prose, questions, names and figures, code and lists, of the lengths that people embed. */
const char *const su_sample_texts[SU_SAMPLE_TEXTS] = {
    "where can I renew my passport",
    "The committee postponed its decision until the figures for the third quarter are known.",
    "Photosynthesis converts light energy into chemical energy that is stored in glucose.",
    "def add(a, b): return a + b",
    "A man is playing a guitar on a crowded street while two children watch him.",
    "How long does it take for a broken wrist to heal?",
    "Invoice 2024-0187: 3 x USB-C cable (1 m), 12.90 EUR each; due within 30 days.",
    ("She had not expected the house to be so quiet. The clocks had stopped, the curtains were "
     "drawn, and the dust on the piano showed that nobody had lifted its lid for years."),
    ("Patients who received the vaccine had a lower risk of severe disease than those who did "
     "not."),
    "error: cannot open shared object file: No such file or directory",
    "Die Katze sitzt auf dem Dach und wartet auf den Regen.",
    ("Mix the flour, the sugar and the eggs, rest the dough for an hour, then bake it at 180 "
     "degrees."),
    "stock prices fell sharply on Monday",
    ("The treaty of 1648 ended thirty years of war and redrew the map of central Europe; its "
     "effects on the idea of the sovereign state are still argued about."),
    "SELECT name, count(*) FROM orders GROUP BY name HAVING count(*) > 10;",
    "what is the difference between a virus and a bacterium",
    "The bridge is 1,280 metres long and carries six lanes of traffic.",
    "Une femme lit un livre dans un parc.",
    "good",
    ("The protein binds to the receptor with high affinity, which inhibits the downstream pathway "
     "and leads to apoptosis in the treated cells, an effect that was not seen in the control "
     "group."),
};
