import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    linterOptions: { noInlineConfig: true },
    rules: {
      "max-lines-per-function": ["error", { max: 60, skipComments: true }],
      "no-nested-ternary": "error",
      "no-shadow": "error",
      "one-var": ["error", "never"], // as the bundler reads declarations
      "prefer-const": "error",
      eqeqeq: ["error", "always", { null: "ignore" }],
    },
  },
];
