int packed_sample_answer(void);
int packed_sample_answer(void) { return 42; }
