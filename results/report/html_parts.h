// Parts of the HTML pages, as data of their templates. Internal to this folder.
#pragma once

#include <kainjow/mustache.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "results/report/campaign.h"
#include "results/report/campaign_words.h"

namespace ktrial::results::html {

namespace mustache = kainjow::mustache;
using mustache::data;
using mustache::list;
using mustache::object;

// A template's false, for a section that is left out.
data none();
// Text, or none() if it is empty.
data some(const std::string& text);
// The colour of good, bad and unsure: a class.
const char* tone_of(Standing standing);
// The badge's text; empty for Standing::unknown, which says nothing.
std::string badge(Standing standing);
std::string cell_id(std::size_t cell);
std::string signature_id(std::size_t signature);
std::string signature_colour(std::size_t signature);  // class
// Parts of a bar 1000 wide.
list whole_bar(std::size_t pass, std::size_t fail, std::size_t odd);
// The class of a heat map's cell.
std::string heat(double rate);
std::string base64(std::string_view bytes);

data matrix_of(const CampaignRecord& campaign);
list strips_of(const CampaignRecord& campaign);
data trend_of(const CampaignRecord& campaign);
list charts_of(const CampaignRecord& campaign);
list failures_of(const CampaignRecord& campaign, const CampaignEvidence& evidence);

std::string page(const std::string& body, object content);

}  // namespace ktrial::results::html
