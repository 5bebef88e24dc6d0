// @ts-check
// What every page does.
import { forgetDraftsAtSignOut } from "./drafts.js";
import { startLimits } from "./limits.js";
import { startMenus } from "./menus.js";
import { startSearchKeys } from "./search.js";
import { startThemeSwitch } from "./theme.js";
import { localizeTimes } from "./times.js";
import { startTitles } from "./titles.js";

startThemeSwitch();
startMenus();
startLimits();
startSearchKeys();
startTitles();
localizeTimes(document);
forgetDraftsAtSignOut();
